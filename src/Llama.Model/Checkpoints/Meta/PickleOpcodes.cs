namespace Llama.Model.Checkpoints.Meta;

/// <summary>Names of the pickle opcodes that <see cref="Unpickler"/> refuses, as Python's <c>pickletools</c> has them.</summary>
internal static class PickleOpcodes
{
    private static readonly Dictionary<byte, string> Names = new()
    {
        [(byte)'0'] = "POP", [(byte)'1'] = "POP_MARK", [(byte)'2'] = "DUP", [(byte)'F'] = "FLOAT", [(byte)'I'] = "INT",
        [(byte)'L'] = "LONG", [(byte)'P'] = "PERSID", [(byte)'S'] = "STRING", [(byte)'T'] = "BINSTRING", [(byte)'U'] = "SHORT_BINSTRING",
        [(byte)'V'] = "UNICODE", [(byte)'a'] = "APPEND", [(byte)'d'] = "DICT", [(byte)'e'] = "APPENDS", [(byte)'g'] = "GET",
        [(byte)'i'] = "INST", [(byte)'l'] = "LIST", [(byte)'o'] = "OBJ", [(byte)'p'] = "PUT", [(byte)']'] = "EMPTY_LIST",
        [(byte)'G'] = "BINFLOAT", [(byte)'B'] = "BINBYTES", [(byte)'C'] = "SHORT_BINBYTES", [0x81] = "NEWOBJ", [0x82] = "EXT1",
        [0x83] = "EXT2", [0x84] = "EXT4", [0x8b] = "LONG4", [0x8d] = "BINUNICODE8", [0x8e] = "BINBYTES8", [0x8f] = "EMPTY_SET",
        [0x90] = "ADDITEMS", [0x91] = "FROZENSET", [0x92] = "NEWOBJ_EX", [0x96] = "BYTEARRAY8", [0x97] = "NEXT_BUFFER",
        [0x98] = "READONLY_BUFFER",
    };

    /// <summary>An opcode's name and number.</summary>
    public static string Name(byte opcode) => Names.TryGetValue(opcode, out string? name) ? $"{name} (0x{opcode:x2})" : $"0x{opcode:x2}";
}
