//! OpenAI Responses on the pivot.

pub mod compact;
pub mod error;
pub mod object;
pub mod request_in;
pub mod request_out;
pub mod response_out;
pub mod stream_out;

mod input_in;
mod input_out;
mod item;
mod tools_in;
mod tools_out;

pub use object::open;
pub use request_in::refuse_stored;
pub use stream_out::Encoder;
