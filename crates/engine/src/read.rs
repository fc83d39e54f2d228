//! Fenced reads: what a step asked to see by key before it decides.

use std::collections::BTreeMap;

use syncline_core::{
    change::{Effect, Input, MarkAnswer, ReadResult},
    error::{ErrorKind, PortError},
    name::{BindingIndex, IntentId, RecordId},
};
use syncline_ports::source::{KeyRead, Limit, ReadRequest};

use crate::{
    account::Account,
    desk::{Desk, Systems, ports},
    reconcile::{Decided, reconcile},
};

/// Keys per request.
const KEYS_MAX: usize = 500;
/// How often the answers to reads may ask for further reads.
const ROUNDS_MAX: usize = 8;

/// Does the reads among these effects, feeds the answers (together with the inputs that wait for
/// them) and does what that asks for, until nothing more is asked. Returns the other effects.
///
/// # Errors
/// The store's. A system that does not answer is not an error: the reads stay due.
pub async fn settle(
    desk: &Desk<'_>,
    systems: &mut Systems,
    effects: Vec<Effect>,
    account: &mut Account,
) -> Result<Vec<Effect>, PortError> {
    let mut rest = Vec::new();
    let mut asked = effects;
    for _ in 0..ROUNDS_MAX {
        let mut reads: BTreeMap<BindingIndex, Vec<KeyRead>> = BTreeMap::new();
        let mut marks: BTreeMap<BindingIndex, Vec<(IntentId, RecordId)>> = BTreeMap::new();
        let mut waiting = Vec::new();
        for effect in asked {
            match effect {
                Effect::Read { binding, key, operation, in_doubt } => {
                    reads.entry(binding).or_default().push(KeyRead { key, operation, in_doubt });
                }
                Effect::ReadMarks { record, binding, intents } => {
                    let intents = intents.into_iter().map(|intent| (intent, record));
                    marks.entry(binding).or_default().extend(intents);
                }
                Effect::Again(input) => waiting.push(*input),
                other
                @ (Effect::Write { .. } | Effect::Later { .. } | Effect::BlockedOn { .. }) => {
                    rest.push(other);
                }
            }
        }
        if reads.is_empty() && marks.is_empty() && waiting.is_empty() {
            return Ok(rest);
        }
        let mut inputs = Vec::new();
        for (binding, keys) in reads {
            for chunk in keys.chunks(KEYS_MAX) {
                let known = inputs.len();
                read_keys(desk, systems, binding, chunk, &mut inputs).await;
                let answered = inputs.iter().skip(known).filter(|input| is_shown(input)).count();
                account.saw(binding, answered as u64);
                // Whoever was told of the row only once must ask again.
                rest.extend(inputs.iter().skip(known).filter_map(unanswered));
            }
        }
        for (binding, intents) in marks {
            for chunk in intents.chunks(KEYS_MAX) {
                read_marks(desk, systems, binding, chunk, &mut inputs).await;
            }
        }
        inputs.append(&mut waiting);
        let Decided { effects, ledger: more, .. } = reconcile(desk, &inputs, Vec::new()).await?;
        account.ledger.absorb(&more);
        asked = effects;
    }
    let keeps = |effect: &Effect| matches!(effect, Effect::Write { .. } | Effect::Later { .. });
    rest.extend(asked.into_iter().filter(keeps));
    Ok(rest)
}

/// What there is to do about a row that the system neither showed nor missed.
fn unanswered(input: &Input) -> Option<Effect> {
    if let Input::Timeout { binding, key, .. }
    | Input::ReadDone { binding, key, result: ReadResult::Failed(_), .. } = input
    {
        return Some(Effect::Later { binding: *binding, key: key.clone() });
    }
    None
}

/// Whether the system showed the row, or showed that it is not there.
fn is_shown(input: &Input) -> bool {
    matches!(input, Input::ReadDone { result: ReadResult::Found(_) | ReadResult::Absent, .. })
}

/// Asks what became of inserts whose rows nobody can name. Who does not answer leaves them in doubt.
async fn read_marks(
    desk: &Desk<'_>,
    systems: &mut Systems,
    binding: BindingIndex,
    asked: &[(IntentId, RecordId)],
    inputs: &mut Vec<Input>,
) {
    let Some(system) = desk.plan.binding(binding).map(|found| found.system) else { return };
    let Some(open) = ports(systems, system) else { return };
    let intents: Vec<IntentId> = asked.iter().map(|(intent, _)| *intent).collect();
    let limit = Limit { rows: intents.len(), bytes: usize::MAX };
    let request = ReadRequest::Marks { binding, intents };
    let answer = open.source.read(&request, limit).await;
    desk.saw_silence(system, answer.as_ref().err());
    match answer {
        Ok(batch) => {
            let records: BTreeMap<IntentId, RecordId> = asked.iter().copied().collect();
            let mut answers: BTreeMap<RecordId, Vec<MarkAnswer>> = BTreeMap::new();
            for answer in batch.marks {
                if let Some(record) = records.get(&answer.intent) {
                    answers.entry(*record).or_default().push(answer);
                }
            }
            let answers = answers.into_iter();
            inputs.extend(answers.map(|(record, answers)| Input::MarksRead { record, answers }));
        }
        Err(error) => tracing::warn!(error = %error, "marks were not read"),
    }
}

async fn read_keys(
    desk: &Desk<'_>,
    systems: &mut Systems,
    binding: BindingIndex,
    keys: &[KeyRead],
    inputs: &mut Vec<Input>,
) {
    let unanswered = |read: &KeyRead| Input::Timeout {
        binding,
        key: read.key.clone(),
        operation: read.operation,
    };
    let system = desk.plan.binding(binding).map(|found| found.system);
    let found = system.and_then(|system| Some((system, ports(systems, system)?)));
    let Some((system, open)) = found else {
        inputs.extend(keys.iter().map(unanswered));
        return;
    };
    let request = ReadRequest::Keys { binding, keys: keys.to_vec() };
    let limit = Limit { rows: keys.len(), bytes: usize::MAX };
    let answer = open.source.read(&request, limit).await;
    desk.saw_silence(system, answer.as_ref().err());
    match answer {
        Ok(batch) => {
            let mut open: Vec<&KeyRead> = keys.iter().collect();
            for answer in batch.answers {
                open.retain(|read| read.operation != answer.operation || read.key != answer.key);
                inputs.push(Input::ReadDone {
                    binding,
                    key: answer.key,
                    operation: answer.operation,
                    result: answer.result,
                    marks: answer.marks,
                });
            }
            if !open.is_empty() {
                // It answers others: whoever asked for these must know that they are still open.
                let name = desk.plan.system(system).map_or("", |system| system.name.as_str());
                let action = format!("read rows of \"{name}\" by their keys");
                let detail = format!("{} of {} were not answered", open.len(), keys.len());
                let error = PortError::new(ErrorKind::Unreachable, action, detail);
                desk.saw_silence(system, Some(&error));
            }
            inputs.extend(open.into_iter().map(unanswered));
        }
        Err(error) => {
            tracing::warn!(error = %error, "fenced reads were not answered");
            inputs.extend(keys.iter().map(|read| Input::ReadDone {
                binding,
                key: read.key.clone(),
                operation: read.operation,
                result: ReadResult::Failed(error.kind.remedy().code.into()),
                marks: Vec::new(),
            }));
        }
    }
}
