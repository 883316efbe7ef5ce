using System.Buffers;
using System.Buffers.Text;
using System.Text;
using Llama.Model.Checkpoints;

namespace Llama.Model.Tokenization;

/// <summary>
/// tiktoken's file of merge ranks, as Llama 3 ships it: a line a token, its bytes in base64 and its rank, which is its id. The special
/// tokens are not in the file.
/// </summary>
internal static class TiktokenFile
{
    /// <summary>Whether a file's content can be this format: it begins with a base64 digit, as a SentencePiece model cannot.</summary>
    public static bool Recognises(ReadOnlySpan<byte> content) =>
        char.IsAsciiLetterOrDigit((char)content[0]) || content[0] is (byte)'+' or (byte)'/';

    /// <summary>Reads a tokenizer.</summary>
    /// <param name="content">The file's content.</param>
    /// <param name="file">The file's name, for messages.</param>
    /// <exception cref="CheckpointException">The content is malformed.</exception>
    public static ITokenizer Read(ReadOnlySpan<byte> content, string file)
    {
        List<byte[]> tokens = ReadTokens(content, file, out Dictionary<string, int> pieces);
        if (ByteLevelTokenizer.FindMissingByte(pieces) is int missing)
            throw new CheckpointException($"{file} has no token for the single byte 0x{missing:X2}; expected all 256.");

        Dictionary<string, int> special = Llama3SpecialTokens.StartingAt(tokens.Count);
        int[] ranks = [.. Enumerable.Range(0, tokens.Count)];
        var vocabulary = new Vocabulary
        {
            TokenBytes = [.. tokens, .. Enumerable.Repeat(Array.Empty<byte>(), Llama3SpecialTokens.Count)],
            Special = special,
            BeginOfText = special[Llama3SpecialTokens.BeginOfText],
            PromptStart = [special[Llama3SpecialTokens.BeginOfText]],
        };
        return new ByteLevelTokenizer(vocabulary, pieces, MergeTable.FromPieces(pieces, ranks), PreTokenizer.OfLlama3);
    }

    private static List<byte[]> ReadTokens(ReadOnlySpan<byte> content, string file, out Dictionary<string, int> pieces)
    {
        var tokens = new List<byte[]>();
        pieces = [];
        int lineNumber = 0;
        string Where() => $"{file}, line {lineNumber}";

        foreach (Range range in content.Split((byte)'\n'))
        {
            lineNumber++;
            ReadOnlySpan<byte> line = content[range].TrimEnd((byte)'\r');
            if (line.IsEmpty) continue;

            int space = line.IndexOf((byte)' ');
            if (space < 1 || !Utf8Parser.TryParse(line[(space + 1)..], out int rank, out int used) || space + 1 + used != line.Length)
                throw new CheckpointException($"{Where()} is {Quote(line)}; expected a token in base64, a space and its rank.");
            if (rank != tokens.Count)
                throw new CheckpointException($"{Where()} has rank {rank}; expected {tokens.Count}, as ranks count up from 0.");
            if (rank == Vocabulary.MaxSize - Llama3SpecialTokens.Count)
                throw new CheckpointException($"{file} has more than {rank} tokens, more than is supported.");

            byte[] token = Decode(line[..space]) ?? throw new CheckpointException(
                $"{Where()}: {Quote(line[..space])} is not base64 of 1 to {Vocabulary.MaxTokenLength} bytes.");
            if (!pieces.TryAdd(Encoding.Latin1.GetString(token), rank))
                throw new CheckpointException($"{Where()} has the token {Quote(line[..space])} again; expected each once.");
            tokens.Add(token);
        }
        return tokens;
    }

    private static byte[]? Decode(ReadOnlySpan<byte> base64)
    {
        Span<byte> token = stackalloc byte[Vocabulary.MaxTokenLength];
        return Base64.DecodeFromUtf8(base64, token, out _, out int length) == OperationStatus.Done && length > 0
            ? token[..length].ToArray()
            : null;
    }

    private static string Quote(ReadOnlySpan<byte> text) =>
        text.Length <= 60 ? $"'{Encoding.Latin1.GetString(text)}'" : $"'{Encoding.Latin1.GetString(text[..60])}…'";
}
