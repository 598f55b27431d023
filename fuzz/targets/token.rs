//! What a worker is given to join with.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime::net::Token;

fuzz_target!(|text: &str| {
    if let Ok(token) = Token::parse(text) {
        assert_eq!(Token::parse(&token.to_string()).expect("its own text"), token);
    }
});
