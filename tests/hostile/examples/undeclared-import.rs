//! Asks for a clock, which no rule may have.
use hostile::{Columns, finding, rule};

mod clock {
    wit_bindgen::generate!({
        inline: "
            package somebody:elsewhere@0.2.0;
            interface clock { now: func() -> u64; }
            world with-clock { import clock; }
        ",
    });
    pub use somebody::elsewhere::clock::now;
}

rule!("undeclared-import", |_: &Columns, count: u64| { vec![finding(count.wrapping_add(clock::now()))] });
