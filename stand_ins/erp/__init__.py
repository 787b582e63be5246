"""Synthetic hospital ERPs for the Oracle stand-in; `stand_ins.erp_data` is the way in."""
