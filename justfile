# The menu of commands. Each line can also be typed.

# the menu
default:
    @just --list

# format, lints, and the rules of the house
check:
    scripts/test check
    cargo nextest run -p syncline --test main tidy

# unit tests and laws; no servers
test:
    cargo nextest run --workspace --lib --bins

# new worlds for a minute, or one again with its trace: `just sim 42`
sim seed="":
    cargo run --profile swift -p syncline-sim -- {{ if seed == "" { "--seconds 60" } else { seed } }}

# all histories of small worlds: `just explore --deep marked-marked`
explore *arguments:
    cargo run --profile swift -p syncline-sim -- explore {{ arguments }}

# every known-wrong variant of the core must die in some world: `just mutants need-by-value`
mutants *names:
    cargo run --profile swift -p syncline-sim -- mutants {{ names }}

# every parser under attack, so many seconds each; what goes a new way joins the corpora
fuzz seconds="60":
    FUZZ_SECONDS={{ seconds }} cargo nextest run --workspace --lib --bins -E 'test(attack) + test(parsers)'

# every small change of the core's source must fail one of its tests: about twenty hours, or a file
# (`just mutations crates/core/src/need.rs`); needs cargo-mutants
mutations file="crates/core/src/**":
    cargo mutants -p syncline-core --file '{{ file }}'

# lives a million worlds and all else that there is to show, and writes docs/evidence.md
evidence worlds="1000000":
    scripts/evidence {{ worlds }}

# edits in three databases at once, with random kills of the daemon and the servers; then they must agree
soak seconds="3600":
    SOAK_SECONDS={{ seconds }} cargo nextest run -p syncline --test main soak

# everything against private PostgreSQL and MariaDB servers: `just it postgres`
it name="":
    cargo nextest run -p syncline-adapters -p syncline --test main {{ name }}

# how fast it is, beside what the databases offer, on a quiet machine: writes docs/performance.md
performance *arguments:
    bench/run --write --frame-pointers {{ arguments }}

# accept changed snapshots; then read the diff
bless:
    UPDATE_EXPECT=1 cargo nextest run --workspace --no-fail-fast
    git diff

# three toy systems with people who keep editing
demo:
    cargo run --release -- demo

# everything that CI will ask for
ready:
    .ci/run
