"""What a notebook imports: `connect`, `Database`, `Table`, `Result`. It speaks the wire like any stranger and needs no Pixeltable."""
