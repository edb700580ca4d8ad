//! The whole suite: every target, measured beside what it is held to, with the
//! machine it was measured on.
//!
//! `cargo bench -p haltbox-benches --bench suite`; names behind `--` run some of
//! it alone, such as `-- append gate`. It ends well unless it cannot measure: a
//! missed target is a line of its output.

use haltbox_benches::{machine, measure, plot, report, root, scratch};

fn main() {
    measure::run::play_if_asked();
    measure::count::play_if_asked();
    print_machine();
    report::print_head();
    let mut left_out = Vec::new();
    for (name, figures) in measure::ALL {
        if is_asked(name) {
            match figures() {
                Ok(figures) => report::print(&figures),
                Err(reason) => left_out.push(format!("left out: {name}: {reason}")),
            }
        }
    }
    println!();
    if is_asked("count") {
        match measure::count::lines() {
            Ok(lines) => print_lines(&lines),
            Err(reason) => left_out.push(format!("left out: count: {reason}")),
        }
    }
    if is_asked("tails") {
        println!();
        print_lines(&measure::tails::lines());
    }
    if is_asked("curves") {
        println!();
        draw_curves();
    }
    print_lines(&left_out);
}

/// Pictures into target/figures, each with a line that says its shape.
fn draw_curves() {
    let folder = root().join("target/figures");
    for curve in measure::curves::all() {
        println!("{}", curve.line());
        let path = plot::draw(&curve, &folder);
        println!("    {}", path.display());
    }
}

/// Whether a measurement was named, or none was.
fn is_asked(name: &str) -> bool {
    let mut named = std::env::args().skip(1).filter(|arg| !arg.starts_with('-'));
    std::env::args().skip(1).all(|arg| arg.starts_with('-')) || named.any(|named| named == name)
}

fn print_machine() {
    let folder = scratch();
    print_lines(&machine::description(folder.path()));
    println!();
}

fn print_lines(lines: &[String]) {
    lines.iter().for_each(|line| println!("{line}"));
}
