using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace Llama.Model.Checkpoints.Files;

/// <summary>
/// Whether a file of text is UTF-8 throughout. The parser of JSON does not look into texts: it would tell of a bad byte where one is used, by
/// another exception.
/// </summary>
internal static class Utf8Check
{
    /// <summary>Refuses a file that is not.</summary>
    /// <param name="path">The file.</param>
    /// <param name="content">Its bytes.</param>
    /// <exception cref="CheckpointException">It is not UTF-8.</exception>
    public static void Refuse(string path, ReadOnlySpan<byte> content)
    {
        if (Utf8.IsValid(content)) return;
        int at = 0;
        while (Rune.DecodeFromUtf8(content[at..], out _, out int bytes) == OperationStatus.Done) at += bytes;
        throw new CheckpointException($"{path}: at byte {at}: found 0x{content[at]:x2}, which is no valid UTF-8");
    }
}
