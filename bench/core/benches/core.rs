//! The pure core at real sizes: `make bench-core`.

use std::hint::black_box;
use std::time::Duration;

use core_bench::Case;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ecr_autopolicy::{
    configuration::{Configuration, OnExistingPolicy, Tags},
    policy::{document::Document, sameness::same},
    reconcile::{Plan, reconcile},
};

fn core(criterion: &mut Criterion) {
    let cases = [
        ("rules", Case::rules as fn(usize) -> Case, [1, 5, 10, 20]),
        ("accounts", Case::accounts, [1, 125, 250, 500]),
        // The last one leaves as much as our own statement needs.
        ("foreign", Case::foreign, [1_000, 2_500, 5_000, 9_500]),
    ];
    for (series, case, sizes) in cases {
        for size in sizes {
            let case = case(size);
            let id = || BenchmarkId::new(series, size);
            if series != "foreign" {
                criterion.benchmark_group("parse").bench_with_input(id(), &case, |bencher, case| {
                    bencher.iter(|| Configuration::parse(black_box(&case.text), &case.prefix, &case.registry).unwrap())
                });
                criterion.benchmark_group("render").bench_with_input(id(), &case, |bencher, case| {
                    let tags = Tags::new();
                    bencher
                        .iter(|| black_box(&case.configuration).desired(&case.repository, &tags, &case.prefix).unwrap())
                });
            }
            criterion.benchmark_group("reconcile").bench_with_input(id(), &case, |bencher, case| {
                assert!(matches!(plan(case, &case.current), Plan::Set(_)));
                assert!(matches!(plan(case, &case.reworded), Plan::Leave(_)));
                bencher.iter(|| plan(case, black_box(&case.current)))
            });
            criterion.benchmark_group("sameness").bench_with_input(id(), &case, |bencher, case| {
                assert!(same(&case.target, &case.reworded) && !same(&case.target, &case.current));
                bencher.iter(|| same(black_box(&case.target), black_box(&case.reworded)))
            });
        }
    }
}

fn plan(case: &Case, current: &Document) -> Plan {
    reconcile(&case.desired, Some(current), OnExistingPolicy::Merge, &case.prefix).unwrap()
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots();
    targets = core
}
criterion_main!(benches);
