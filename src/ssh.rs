//! The only SSH client: one actor for each connection.
