//! OpenAI Responses on the pivot.

pub mod compact;
pub mod error;
pub mod object;
pub mod request_in;
pub mod response_out;
pub mod stream_out;

mod input_in;
mod item;
mod tools_in;

pub use object::open;
pub use request_in::refuse_stored;
pub use stream_out::Encoder;
