//! `speaker explain`: why an address is answered, or why not; asked of the running agent, or of the pinned maps when there is
//! none.

use std::io::Write;

use arpeggio_common::wire::Mac;

use super::{Answer, PinnedError, TellError, output, pinned};
use crate::{
    args::ExplainArgs,
    clock::wall_ahead_ns,
    status::{
        ClientError, ClientFacts, Evidence, Explain, Explanation, Facts, Request, Response, Silence, ask,
        render_explanation,
    },
};

/// Writes the explanation to `out`. [`Answer::Yes`] when the address is answered as it should be. Needs a current-thread
/// runtime.
///
/// # Errors
/// See [`TellError`]. That no agent runs is none.
pub async fn explain(args: &ExplainArgs, out: &mut impl Write) -> Result<Answer, TellError> {
    let question = Explain {
        address: args.target.address(),
        prefix: args.target.prefix().map(|prefix| prefix.to_string()),
        interface: args.interface.as_ref().map(ToString::to_string),
    };
    let explanation = match ask(&args.places.run_dir, &Request::Explain(question.clone())).await {
        Ok(Response::Explain(explanation)) => *explanation,
        Ok(other @ (Response::Status(_) | Response::Evacuation(_) | Response::Error { .. })) => {
            return Err(ClientError::unexpected(&other).into());
        }
        Err(error) => match error.silence() {
            Some(silence) => from_maps(args, question, silence).await?,
            None => return Err(error.into()),
        },
    };
    output::write(out, args.output, &explanation, || render_explanation(&explanation))?;
    Ok(Answer::when(explanation.verdict.good))
}

/// Without an agent nobody knows what should be: what is pinned is all there is to tell.
async fn from_maps(args: &ExplainArgs, question: Explain, silence: Silence) -> Result<Explanation, PinnedError> {
    let (facts, clients) = pinned::facts_and_clients(&args.places.pin_dir, question.address).await?;
    let clients = clients.into_iter().map(|((ifindex, client), found)| ClientFacts {
        ifindex,
        client,
        mac: Mac(found.mac()),
        last_ns: found.last_seen_ns(),
    });
    Ok(Explanation::new(&Evidence {
        facts: Facts { silence, ..facts },
        address: question.address,
        prefix: args.target.prefix(),
        routes: Vec::new(),
        interface: question.interface,
        announcement: None,
        told: None,
        wire: std::collections::BTreeMap::new(),
        before: std::collections::BTreeMap::new(),
        clients: clients.collect(),
        events: Vec::new(),
        wall_ahead_ns: wall_ahead_ns(),
    }))
}
