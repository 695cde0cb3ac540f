"""What each command does, as functions over records. Nothing here prints or knows a terminal."""
