//! The test gives it more tables than any rule may have elements for.
hostile::rule!("many-tables", hostile::counting);
