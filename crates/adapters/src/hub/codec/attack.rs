//! What is stored, under attack: damaged in ways that the checksum does not tell.

use syncline_core::name::RecordId;
use syncline_ports::suite::parser::{attack, path};

use super::{
    audit::{Form, decode_page},
    bits::checksum,
    decode_group, encode_group,
};

fn signed(input: &[u8]) -> Vec<u8> {
    let mut stored = input.to_vec();
    stored.extend_from_slice(&checksum(input).to_le_bytes());
    stored
}

#[test]
fn a_stored_group_is_one_that_can_be_stored_or_none() {
    attack(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/groups"), &[], |input| {
        let Some(group) = decode_group(RecordId(1), &signed(input)) else { return 0 };
        let mut again = Vec::new();
        encode_group(&group, &mut again);
        assert_eq!(decode_group(RecordId(1), &again).as_ref(), Some(&group));
        let fields = group.root.cells.len().min(4);
        path((
            fields,
            group.root.links.len().min(4),
            group.children.len().min(2),
            group.rivals.len().min(2),
        ))
    });
}

#[test]
fn a_page_of_the_audit_is_read_whole_or_not_at_all() {
    attack(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/pages"), &[], |input| {
        decode_page(&signed(input))
            .map_or(0, |(form, events)| path((form != Form::Clear, events.len().min(8))))
    });
}
