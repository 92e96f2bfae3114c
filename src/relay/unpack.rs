//! Content codings of a request body, taken off by and by.

use smallvec::SmallVec;

use super::wait::Client;
use crate::codec::inflate::{Coding, InflateError, Inflater};
use crate::http::field::Fields;
use crate::http::head::Name;
use crate::protocol::failure::Fault;
use crate::rt::Net;

/// The request body without its content codings; nothing where it has none. Other sessions get their turn
/// between pieces: a large body takes longer to decode than a core may stand still.
pub(super) async fn decode<N: Net>(
    client: &Client<N>,
    fields: &Fields,
    input: &[u8],
    body: &[u8],
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, (Fault, &'static str)> {
    if fields.get(Name::ContentEncoding).is_none() {
        return Ok(None);
    }
    let mut codings = SmallVec::new();
    for field in fields.all(Name::ContentEncoding) {
        Coding::parse_into(field.value.of(input), &mut codings)
            .map_err(|_| (Fault::UnsupportedMedia, "content-encoding: gzip, deflate, br and zstd are understood"))?;
    }
    if codings.iter().all(|coding| *coding == Coding::Identity) {
        return Ok(None);
    }
    let mut inflater = Inflater::new(&codings, body, bytes_max);
    loop {
        match inflater.step() {
            Ok(Some(decoded)) => return Ok(Some(decoded.into_owned())),
            Ok(None) => client.core.net.sleep(0).await,
            Err(InflateError::TooLarge) => {
                return Err((Fault::TooLarge, "the decoded request body is larger than limits.body_bytes"));
            }
            Err(InflateError::Corrupt) => {
                return Err((Fault::InvalidRequest, "the request body does not match its content-encoding"));
            }
        }
    }
}
