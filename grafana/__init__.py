"""What people look at: dashboards, the rules that alert, and what provisions them."""
