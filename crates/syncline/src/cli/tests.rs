//! The command line is consistent, and says what the contract says.

use super::*;

#[test]
fn definitions_are_consistent() {
    definition().debug_assert();
}

#[test]
fn every_command_of_the_contract_is_there() {
    let commands: Vec<String> =
        definition().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let contract = "init discover check test doctor plan apply run serve tail status verify refresh guards history \
                    audit explain conflicts quarantine hooks retry tokens rollback backup restore forget keys pause resume demo help \
                    config completions version";
    assert_eq!(commands, contract.split_whitespace().collect::<Vec<_>>());
}
