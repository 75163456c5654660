"""The words of the Tiny Pile. Order matters: where they are drawn by Zipf's law, the first is the most frequent."""

HEROES = (  # name, subject, object, possessive
    ("Mia", "she", "her", "her"), ("Tom", "he", "him", "his"), ("Anna", "she", "her", "her"),
    ("Ben", "he", "him", "his"), ("Lily", "she", "her", "her"), ("Sam", "he", "him", "his"),
    ("Rosa", "she", "her", "her"), ("Max", "he", "him", "his"), ("Zoe", "she", "her", "her"),
    ("Omar", "he", "him", "his"), ("Nora", "she", "her", "her"), ("Finn", "he", "him", "his"),
    ("Ruth", "she", "her", "her"), ("Kofi", "he", "him", "his"), ("Ivy", "she", "her", "her"),
    ("Leo", "he", "him", "his"), ("Mei", "she", "her", "her"), ("Hugo", "he", "him", "his"),
    ("Tara", "she", "her", "her"), ("Paul", "he", "him", "his"), ("Dana", "she", "her", "her"),
    ("Yusuf", "he", "him", "his"), ("Greta", "she", "her", "her"), ("Otto", "he", "him", "his"),
)
NAMES = tuple(hero[0] for hero in HEROES)
PLACES = (
    "garden", "park", "farm", "shop", "school", "river", "market", "barn", "beach", "library", "hill", "village",
    "harbor", "field", "bridge", "tower", "mill", "castle", "pond", "station",
)
THINGS = (
    "ball", "book", "hat", "key", "box", "kite", "lamp", "cup", "bell", "boat", "drum", "map", "coat", "basket", "ring",
    "clock", "rope", "spoon", "mirror", "whistle", "ladder", "blanket", "feather", "lantern",
)
COLORS = ("red", "blue", "green", "yellow", "white", "black", "brown", "silver", "purple", "golden")
QUALITIES = ("old", "new", "big", "small", "heavy", "shiny", "broken", "soft", "strange", "lovely")
ANIMALS = ("dog", "cat", "bird", "horse", "rabbit", "duck", "fox", "goat", "mouse", "hen", "sheep", "frog")
FOODS = ("bread", "soup", "apples", "cake", "cheese", "rice", "honey", "pears", "milk", "beans", "plums", "nuts")
MOODS = ("hungry", "tired", "sad", "afraid", "cold", "lost")  # of animals
WORRIES = ("sad", "worried", "afraid", "angry")
FEELINGS = ("happy", "tired", "proud", "hungry")
HIDING = (
    "under a tree", "near the well", "in the grass", "behind a wall", "beside the road", "under a bench", "on the roof",
    "in a hole",
)
TOWNS = ("Ardale", "Brook", "Corwen", "Dunmore", "Elmton", "Farley", "Glen", "Hythe", "Inver", "Kelso")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")
WEATHER = {  # season -> word -> true probability; what the model should say after "In March the town of Glen is"
    "winter": {"cold": 0.50, "white": 0.25, "dark": 0.15, "quiet": 0.10},
    "spring": {"wet": 0.40, "green": 0.30, "windy": 0.20, "quiet": 0.10},
    "summer": {"hot": 0.45, "dry": 0.30, "bright": 0.20, "quiet": 0.05},
    "autumn": {"windy": 0.35, "wet": 0.30, "golden": 0.20, "dark": 0.15},
}
SEASON = {month: ("winter", "spring", "summer", "autumn")[(index + 1) % 12 // 3] for index, month in enumerate(MONTHS)}

PLANTED = {  # how often planted -> unique sentences, for the memorisation lesson
    1: (
        "The captain of the Marigold keeps ninety brass buttons in a teapot.",
        "A lighthouse keeper in Oslo once painted every seventh step orange.",
        "Professor Quill taught three parrots to whistle the same slow waltz.",
        "Under the bakery in Vence there is a pond with one blind carp.",
        "Aunt Beatrix sold her violin for a jar of pickled walnuts.",
    ),
    4: (
        "The mayor of Tulle rides a tricycle with wooden wheels to church.",
        "Seven clerks in Basel sharpened pencils until the moon came up.",
        "Doctor Ambrose hid the museum's emerald inside a frozen trout.",
        "The last train to Quito carries only beekeepers and their trunks.",
        "Each winter the twins of Fjord Street bury a chessboard in snow.",
    ),
    16: (
        "Madame Verity sewed a thousand moth wings onto the opera curtain.",
        "The gardener at Kew whispers Latin verbs to the youngest cactus.",
        "Every copy of the blue atlas misses the island of Saint Hector.",
        "Inspector Bloom solved the riddle with a magnet and some butter.",
        "The oldest elephant in Pune answers only to the word umbrella.",
    ),
    64: (
        "King Oswald's crown was lost in a bet about the weight of fog.",
        "The violet submarine surfaces on Thursdays to buy fresh lemons.",
        "Nobody in Zagreb remembers who wound the cathedral clock backwards.",
        "The poet Ximena wrote her final verse on the shell of a turtle.",
        "Four acrobats guard the recipe for the emperor's midnight jam.",
    ),
    256: (
        "The glass piano of Utrecht plays itself when the tide is low.",
        "Sergeant Willow counts the harbor gulls and never reaches twelve.",
        "A retired wizard in Perth repairs umbrellas with spider silk.",
        "The queen's second best telescope points at a painted ceiling.",
        "Old Balthazar keeps tomorrow's newspaper locked in a birdcage.",
    ),
}

SYLLABLES = tuple(c + v for c in "bdfgklmnprstvz" for v in "aeiou")
EVERYDAY = NAMES + PLACES + THINGS + COLORS + ANIMALS + FOODS
