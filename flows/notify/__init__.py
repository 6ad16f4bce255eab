"""Notifications: kept in the home until a receiver took them."""
