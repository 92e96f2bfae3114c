//! The vector code against the walk.

use super::*;
