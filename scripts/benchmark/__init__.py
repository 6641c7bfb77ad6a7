"""What `make bench` measures, and how its page is made."""

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGm7Z0bTw5cDgbHGdWmOLNlsS9xXU5cPYvlEXaAtr0Lm bench"
"""The SSH key of every contestant."""
