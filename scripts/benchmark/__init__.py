"""What `make bench` measures, and how its page is made."""
