//! Layers that BLIP's three networks share, on Burn
