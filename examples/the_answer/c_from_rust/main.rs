// `unsafe` stands here because the compiler takes these lines on trust: it never sees answer.c.
unsafe extern "C" {
    // `safe`, because no caller can do harm with it: nothing goes in, and any i32 may come out.
    safe fn the_answer() -> i32;
}

fn main() {
    println!("{}", the_answer());
}
