"""The vocabulary of programs: operations, and the columns of the tables that `program` makes and `walk` reads."""

# Operations of a program. Operands are described in `program`.
FIXED, SKIP_FIXED, VARINT, BLOB, NULLABLE, UNION, FILL, JUMP = 0, 1, 2, 3, 4, 5, 6, 7
ARRAY, BLOCK, ITEM, KEEP, ITEM_END, STOP, END, LAYOUT = 8, 9, 10, 11, 12, 13, 14, 15

# Columns of the table of entries: one entry for each place in the schema where a value is read.
VALUE_ADDRESS, VALID_ADDRESS, ROW_MASK, SIZE, STRIDE, REQUIRED, NULL_BRANCH, LOW, HIGH, PATH = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
)
KIND, WANTED = 10, 11  # the operation the entry belongs to; its place among the wanted ones of its layout
ENTRY_COLUMNS = 12
OPERATION_COLUMNS = 8
ENTRY_SIZE = 8 * ENTRY_COLUMNS
OPERATION_SIZE = 8 * OPERATION_COLUMNS

# Columns of the table of layouts: a stretch of fields without arrays and without records that may be absent.
FIRST_ENTRY, ENTRY_COUNT, FIXED_LIST, FIXED_COUNT, VARINT_LIST, VARINT_COUNT, BLOB_LIST, BLOB_COUNT = range(8)
LAYOUT_COLUMNS = 8
LAYOUT_SIZE = 8 * LAYOUT_COLUMNS

# Columns of the table of tables.
PACKET_ADDRESS, PARENT_ADDRESS, CAPACITY, PARENT_TABLE, FIRST_COLUMN, COLUMN_COUNT = range(6)
TABLE_COLUMNS = 6

# Columns of the table of columns, which is ordered by table.
WIDTH, IS_BITS, TILE_VALUES, TILE_VALID, COLUMN_VALUES, COLUMN_VALID, HAS_NULL = range(7)
COLUMN_COLUMNS = 7

# Columns of a frame: the state of one array being read. Arrays nest statically, so each has its own frame.
TOTAL, REMAINING, BLOCK_END = 0, 1, 2

# Why a packet failed.
OK, TRUNCATED, BRANCH, LONG_VARINT, RANGE, LENGTH, COUNT, ITEMS, TEXT, TRAILING, BLOCK_SIZE, START = range(12)

BINARY, UTF8 = 0, 1  # LOW of an entry of BLOB
SLOTS = 16  # layouts cached for one stretch of fields
MISSES = SLOTS + 2  # column of `known` that counts the records of no known layout
STAMPS = SLOTS + 3  # first of the columns of `known` that record which layout wrote a row of the tile
LAYOUT_BYTES = 1024  # longer stretches are read field by field
PLAN_HEAD = 64  # bytes: the stamp and six counts
TILE = 64  # rows collected before they are moved to the columns
SLACK = 8  # every value is stored as eight bytes, the next row overwrites the excess
