//! State, message, update, effect, keymap, theme, layout, view.
