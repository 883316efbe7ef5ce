using System.Globalization;
using System.Text;
using Llama.Model.Tokenization;

namespace Llama.Model.Checkpoints.Files;

/// <summary>A piece of a file that was copied.</summary>
/// <param name="First">Its first byte.</param>
/// <param name="End">The byte after its last.</param>
/// <param name="Hash">SHA-256 of its bytes, hexadecimal.</param>
internal readonly record struct CopiedPiece(long First, long End, string Hash);

/// <summary>
/// Which bytes of a weight file are on this machine, where only some layers were copied; the others are holes in a file of full length. The
/// record lies beside the file: <c>copied 1 BYTES SOURCE</c>, the file's length and a number that tells one source from another, then a line
/// for each piece: first byte, the byte after the last, SHA-256. A line is there when its bytes are; one that was cut off is none.
/// </summary>
internal sealed class CopiedRanges
{
    /// <summary>After the file's name.</summary>
    public const string Suffix = ".copied";

    private const string Title = "copied 1";
    private const int MaxBytes = 64 << 20;

    private readonly List<(long First, long End)> ranges = [];

    private CopiedRanges(long bytes, long source, IReadOnlyList<CopiedPiece> pieces)
    {
        Bytes = bytes;
        Source = source;
        Pieces = pieces;
        foreach (CopiedPiece piece in pieces.OrderBy(piece => piece.First))
        {
            if (ranges.Count > 0 && piece.First <= ranges[^1].End)
                ranges[^1] = (ranges[^1].First, Math.Max(ranges[^1].End, piece.End));
            else
                ranges.Add((piece.First, piece.End));
        }
    }

    /// <summary>Length of the whole file.</summary>
    public long Bytes { get; }

    /// <summary>Tells the file that was copied from another.</summary>
    public long Source { get; }

    /// <summary>The pieces, in the order in which they came.</summary>
    public IReadOnlyList<CopiedPiece> Pieces { get; }

    /// <summary>Bytes that are there.</summary>
    public long HeldBytes => ranges.Sum(range => range.End - range.First);

    /// <summary>Where the record of a file lies.</summary>
    public static string PathOf(string file) => file + Suffix;

    /// <summary>The first line of a record.</summary>
    public static string Header(long bytes, long source) => string.Create(CultureInfo.InvariantCulture, $"{Title} {bytes} {source}\n");

    /// <summary>The line of a piece.</summary>
    public static string Line(CopiedPiece piece) =>
        string.Create(CultureInfo.InvariantCulture, $"{piece.First} {piece.End} {piece.Hash}\n");

    /// <summary>Reads the record of a file; null where it has none, and so is whole.</summary>
    /// <exception cref="CheckpointException">The record cannot be read.</exception>
    public static CopiedRanges? Find(string file)
    {
        string path = PathOf(file);
        if (!File.Exists(path)) return null;
        string text = Encoding.UTF8.GetString(SmallFile.Read(path, MaxBytes));
        string[] lines = text.Split('\n');
        string[] head = lines[0].Split(' ');
        if (lines.Length < 2 || head.Length != 4 || $"{head[0]} {head[1]}" != Title || !TryParse(head[2], out long bytes)
            || !long.TryParse(head[3], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long source))
            throw new CheckpointException($"{path}: found {Excerpt.Of(lines[0])}, expected '{Title} BYTES SOURCE'");
        var pieces = new List<CopiedPiece>();
        for (int i = 1; i < lines.Length - 1; i++)
        {
            string[] parts = lines[i].Split(' ');
            if (parts.Length != 3 || !TryParse(parts[0], out long first) || !TryParse(parts[1], out long end) || first >= end || end > bytes)
            {
                throw new CheckpointException(
                    $"{path}: line {i + 1}: found {Excerpt.Of(lines[i])}, expected a first byte, the one after the last of at most {bytes}, and a hash");
            }

            pieces.Add(new CopiedPiece(first, end, parts[2]));
        }

        return new CopiedRanges(bytes, source, pieces);
    }

    /// <summary>Whether the bytes <c>[offset, offset + length)</c> are there.</summary>
    public bool Holds(long offset, long length)
    {
        int low = 0, high = ranges.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (ranges[middle].First <= offset) low = middle + 1;
            else high = middle;
        }

        return length == 0 || (low > 0 && length <= ranges[low - 1].End - offset);
    }

    private static bool TryParse(string text, out long number) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
