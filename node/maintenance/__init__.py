"""What an operator does with a stopped node: back up, restore, check, recover."""
