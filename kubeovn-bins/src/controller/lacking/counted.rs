//! How many objects there are of which nothing is done, for whoever only asks.

use super::{Lacking, Tells};
use crate::cluster::kube::{Failure, KubeCluster};

/// Counts the objects of a kind that are told that nothing is done of them. Of a kind that the server does not know there are
/// none.
///
/// # Errors
/// The server does not say.
pub(crate) async fn counted(objects: &KubeCluster, kind: &Lacking) -> Result<usize, Failure> {
    let one = kind.tells == Tells::Start;
    let (mut number, mut further) = (0, None);
    loop {
        let page = match objects.page(&kind.resource, false, one.then_some(1), further).await {
            Err(failure) if failure.code == 404 => return Ok(0),
            page => page?,
        };
        if one {
            return Ok(page.objects.len() + page.rest);
        }
        number += page.objects.len();
        match page.further {
            Some(next) => further = Some(next),
            None => return Ok(number),
        }
    }
}
