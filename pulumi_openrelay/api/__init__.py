"""HTTP to the control planes; knows no resource."""
