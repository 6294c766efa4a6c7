"""From the model and a width in cells to rows of text with roles. No terminal library: testable as plain strings."""
