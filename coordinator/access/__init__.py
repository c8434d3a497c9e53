"""Who may ask what, and how much text they are shown: keys, roles, budgets, and the record of admin calls."""
