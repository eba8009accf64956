"""What must survive: kill -9, full and failing disks, power cuts, and people with bad intentions."""
