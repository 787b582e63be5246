"""Synthetic hospital ERPs for the Oracle stand-in; `demo.erp_data` is the way in."""
