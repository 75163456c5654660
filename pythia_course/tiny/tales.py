"""The sentences that stories are put together from.  Order matters: the dice name a sentence by its place."""

OPENINGS = (
    "One day {name} went to the {place}.",
    "On {day} {name} and {friend} met at the {place}.",
    "Once there was a child called {name} who lived near the {place}.",
    "{name} was walking to the {place} with {friend}.",
    "It was {day}, and {name} was at the {place}.",
)
PLOTS = (
    (  # lost and found
        ("{She} had {an} {adj} {thing}, and {she} loved it.", "{name} took {hers} {adj} {thing} with {her}."),
        ("But soon the {thing} was gone.", "Then {she} lost the {thing}.", "But the wind took the {thing} away."),
        ("{name} was {worry} and began to look for it.", "{She} looked for the {thing} all morning."),
        ("{friend} came to help {her}.", '"I will help you," said {friend}.', "{She} asked {friend} for help."),
        ("At last they found the {adj} {thing} {where}.", "{friend} saw the {adj} {thing} {where}."),
        ("{name} thanked {friend} and gave {fher} some {food}.", '"Thank you, {friend}," said {name}.'),
    ),
    (  # a gift
        ("{friend} had a birthday on {day}.", "It was the birthday of {friend}."),
        ("{name} wanted to give {fher} a {color} {thing}.", "{name} made a {color} {thing} for {friend}."),
        (
            "{She} put the {thing} in a box.",
            "{She} hid the {thing} {where}.",
            "{She} carried the {thing} to the {place}.",
        ),
        ("{friend} came and saw the {color} {thing}.", "When {friend} saw the {color} {thing}, {fshe} smiled."),
        ('"What a lovely {thing}!" said {friend}.', '"I always wanted a {color} {thing}," said {friend}.'),
        ("Then they ate {food} together.", "{name} was proud, and {friend} was happy."),
    ),
    (  # an animal
        ("There {she} saw a small {animal}.", "{name} heard a {animal} {where}.", "A {animal} sat {where}."),
        ("The {animal} was {mood}.", "The {animal} looked {mood} and did not move."),
        ("{name} gave the {animal} some {food}.", "{She} gave all {hers} {food} to the {animal}."),
        ("The {animal} ate the {food} and was not {mood} any more.", "The {animal} ate all of the {food}."),
        ("{friend} wanted to see the {animal} too.", "{name} told {friend} about the {animal}."),
        ("After that the {animal} came to the {place} every day.", "Now the {animal} lives with {name}."),
    ),
    (  # a find
        ("{She} found {an} {adj} {thing} {where}.", "There was {an} {adj} {thing} {where}."),
        ('"Whose {thing} is this?" asked {name}.', "{name} did not know whose {thing} it was."),
        ("{She} asked {friend}, but {fshe} did not know.", "{friend} said that the {thing} was not {fown}."),
        ("So they took the {thing} to a man at the {place}.", "They showed the {thing} to a man at the {place}."),
        ("The man was happy, because it was his {thing}.", '"That is my {adj} {thing}!" said the man.'),
        ("He gave {name} and {friend} some {food}.", "{name} gave the {adj} {thing} back to him."),
    ),
    (  # making something
        (
            "{name} and {friend} wanted to make a {color} {thing}.",
            "{name} wanted to make the best {color} {thing} of all.",
        ),
        ("First they went to the {place} to look for string and glue.", "First {name} drew the {thing} on paper."),
        ("{friend} read the plan, and {name} followed it.", "{friend} brought some {food}, and {name} did the work."),
        ("It took them all day, and they were {feel}.", "The work was hard, and {friend} was {feel}."),
        ("In the evening the {thing} was ready.", "At last the {color} {thing} was ready."),
        ('"It is the best {thing} in the village," said {friend}.', "They painted the {thing} {color}."),
    ),
)
ENDINGS = (
    "{name} went home {feel}.",
    "It was a good day for {name} and {friend}.",
    "Then {name} and {friend} went home.",
    "{name} never forgot that {day}.",
)
