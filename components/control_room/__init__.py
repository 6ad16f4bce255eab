"""What people are told outside the pages: settings, and the record of a notification."""
