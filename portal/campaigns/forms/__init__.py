"""HR's forms: what a campaign is, whom it is for, and decisions about single duties."""
