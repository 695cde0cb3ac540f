"""What commands show to people: tables, lines and figures, never records."""
