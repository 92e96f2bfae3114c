//! What the data plane tells the control plane.
