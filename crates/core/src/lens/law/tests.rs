use proptest::prelude::*;

use super::*;
use crate::lens::{CellSpec, compile, tests::catalogue::law_catalogue};

/// Native values: what the lens writes, dressed up as people and databases do, and other types'.
fn natives(lens: &Lens, golden: &[Value]) -> Vec<Value> {
    let mut out = Vec::new();
    for value in golden {
        let Ok(native) = lens.put0(value) else { continue };
        if let Value::Text(text) = &native {
            out.push(Value::text(format!(" {text}  ")));
            out.push(Value::text(text.to_lowercase()));
            out.push(Value::text(text.to_uppercase()));
            out.push(Value::text(text.replace('0', "")));
        }
        out.push(value.clone());
        out.push(native);
    }
    out
}

fn each(check: impl Fn(&FieldType, &CellSpec, &Lens)) {
    for (kind, spec) in law_catalogue() {
        let lens = compile(&kind, &spec, None).expect("the catalogue compiles");
        check(&kind, &spec, &lens);
    }
}

#[test]
fn what_is_written_reads_back_and_untouched_rows_stay() {
    each(|kind, spec, lens| {
        // Telephone numbers are slow to parse where nothing is optimised.
        let count = if matches!(kind, FieldType::Phone { .. }) { 50 } else { 1_000 };
        let golden = generate(kind, 7, count);
        let written = round_trip(lens, &golden);
        assert_eq!(written.counterexamples, [], "{kind:?} {spec:?}");
        assert_eq!(written.checked, written.exact + written.remembered + written.refused);
        let read = keeps(lens, &natives(lens, &golden));
        assert_eq!(read.counterexamples, [], "{kind:?} {spec:?}");
        assert!(written.exact + written.remembered > 0, "{kind:?} {spec:?} writes nothing");
    });
}

#[test]
fn a_normaliser_settles_at_once_and_changes_nothing_for_the_hub() {
    each(|kind, spec, lens| {
        let golden = generate(kind, 8, 300);
        for native in natives(lens, &golden) {
            let once = lens.normalise(&native);
            assert_eq!(lens.normalise(&once), once, "{kind:?} {spec:?}");
        }
        for value in &golden {
            let Ok(native) = lens.put(value, None) else { continue };
            let back = lens.get(&lens.normalise(&native), Some(value));
            assert_eq!(back.as_ref(), Ok(value), "{kind:?} {spec:?}");
        }
    });
}

#[test]
fn coalescing_writes_gives_the_last_one() {
    each(|kind, spec, lens| {
        let golden = generate(kind, 9, 60);
        for pair in golden.windows(2) {
            let [first, second] = pair else { continue };
            let Ok(shadow) = lens.put(first, None) else { continue };
            let (Ok(over), Ok(direct)) = (lens.put(second, Some(&shadow)), lens.put0(second))
            else {
                continue;
            };
            // Equal up to presentation: both mean the same there.
            assert_eq!(lens.get0(&over), lens.get0(&direct), "{kind:?} {spec:?}");
        }
    });
}

#[test]
fn every_lens_without_a_declared_loss_is_invertible() {
    each(|kind, spec, lens| {
        assert_eq!(invertible(kind, lens), Ok(()), "{kind:?} {spec:?}");
    });
}

#[test]
fn generated_values_are_the_same_for_the_same_seed() {
    each(|kind, _, _| {
        assert_eq!(generate(kind, 3, 200), generate(kind, 3, 200));
        assert_eq!(generate(kind, 3, 200).len(), 200);
        assert_eq!(generate(kind, 3, 2).len(), 2);
    });
}

#[test]
fn systems_of_one_type_come_to_rest() {
    let catalogue = law_catalogue();
    for (kind, left) in &catalogue {
        for (_, right) in catalogue.iter().filter(|(other, _)| other == kind) {
            let [left, right] =
                [left, right].map(|spec| compile(kind, spec, None).expect("compiles"));
            let golden = generate(kind, 5, 60);
            assert_eq!(fixpoint(&left, &right, &golden), Ok(()), "{kind:?} {left:?} {right:?}");
        }
    }
}

#[test]
fn a_narrow_system_does_not_carry_what_a_wide_one_holds() {
    let decimal = |scale| {
        let spec = CellSpec { scale: Some(scale), ..CellSpec::default() };
        compile(&FieldType::Decimal, &spec, None).expect("compiles")
    };
    let values = generate(&FieldType::Decimal, 1, 500);
    assert_eq!(carries(&decimal(2), &decimal(2), &values), Ok(()));
    assert_eq!(carries(&decimal(2), &decimal(4), &values), Ok(()));
    let found = carries(&decimal(4), &decimal(2), &values).expect_err("finer than it holds");
    assert_eq!(found.code, "map.incomplete");
}

#[test]
fn reports_count_what_the_hub_must_remember() {
    let spec = CellSpec { case: Some(crate::lens::Case::Upper), ..CellSpec::default() };
    let lens = compile(&FieldType::Text, &spec, None).expect("compiles");
    let report = round_trip(&lens, &[Value::text("ANA"), Value::text("Ana"), Value::int(1)]);
    assert_eq!((report.checked, report.exact, report.remembered, report.refused), (3, 1, 1, 1));
    assert_eq!(report.problems.len(), 1);
}

proptest! {
    /// The combinators are lawful whatever the values, even those no lens was made for.
    #[test]
    fn any_value_through_any_lens(
        which in 0usize..90,
        seed in any::<u64>(),
        other in 0usize..90,
    ) {
        let catalogue = law_catalogue();
        let (kind, spec) = &catalogue[which % catalogue.len()];
        let (foreign, _) = &catalogue[other % catalogue.len()];
        let lens = compile(kind, spec, None).expect("compiles");
        let golden = generate(kind, seed, 12);
        let strange = generate(foreign, seed, 12);
        for value in golden.iter().chain(&strange) {
            for shadow in golden.iter().chain(&strange) {
                if let Ok(native) = lens.put(value, Some(shadow)) {
                    prop_assert_eq!(&lens.get(&native, Some(value)), &Ok(value.clone()));
                }
                if let Ok(read) = lens.get(shadow, Some(value)) {
                    prop_assert_eq!(&lens.put(&read, Some(shadow)), &Ok(shadow.clone()));
                }
            }
        }
    }
}
