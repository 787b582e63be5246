"""Read one day of a hospital out of its Oracle ERP."""
