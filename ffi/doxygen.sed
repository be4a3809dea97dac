# Makes the header's comments ones for doxygen; the numbers of the lines stay.
# The conventions document the file. Only then do its functions and constants appear.
/^\/\*$/ {
    N
    s/^\/\*\n \* Conventions$/\/** @file\n * The C interface, by these conventions./
    b
}
# The other comments are plain text: they hold no commands.
/^ *\* / s/[\\@<>#%]/\\&/g
