//! The test gives it a table with more elements than any rule may have.
hostile::rule!("large-table", hostile::counting);
