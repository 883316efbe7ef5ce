using System.Globalization;
using Llama.Model.Checkpoints;

namespace Llama.Model.Tokenization;

/// <summary>Collects the 256 tokens of byte fallback, which are named <c>&lt;0x00&gt;</c> to <c>&lt;0xFF&gt;</c>.</summary>
/// <param name="file">The file they are read from, for messages.</param>
internal sealed class ByteTokens(string file)
{
    private readonly int?[] ids = new int?[256];

    /// <summary>The byte that a name stands for, or null when it is none of theirs.</summary>
    public static byte? Parse(string name)
    {
        ReadOnlySpan<char> digits = name.AsSpan(Math.Min(3, name.Length)).TrimEnd('>');
        return byte.TryParse(digits, NumberStyles.AllowHexSpecifier, null, out byte value) && name == Name(value) ? value : null;
    }

    /// <summary>Notes a token.</summary>
    /// <returns>The byte it stands for.</returns>
    /// <exception cref="CheckpointException">Its name is not a byte's.</exception>
    public byte Add(string name, int id)
    {
        byte value = Parse(name) ?? throw new CheckpointException($"{file}: byte token {id} is '{name}'; expected a name like '<0x0A>'.");
        ids[value] = id;
        return value;
    }

    /// <summary>By byte: its token.</summary>
    /// <exception cref="CheckpointException">One is missing.</exception>
    public int[] All() =>
        [.. ids.Select((id, value) => id ?? throw new CheckpointException($"{file} has no byte token {Name(value)}; expected all 256."))];

    /// <summary>The name of a byte.</summary>
    public static string Name(int value) => $"<0x{value:X2}>";
}
