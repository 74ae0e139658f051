import answer  # type: ignore[import-not-found]  # mypy does not look into what is built

print(answer.the_answer())
print(answer.say_hi("Zoë"))
for place in (1, 7, -1, "one"):
    try:
        print(answer.digit(place))
    except (IndexError, OverflowError, TypeError) as error:
        print(f"{place!r} gives {type(error).__name__}")
