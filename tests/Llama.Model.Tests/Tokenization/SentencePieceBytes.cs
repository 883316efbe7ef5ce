using System.Text;

namespace Llama.Model.Tests.Tokenization;

/// <summary>Writes SentencePiece models for tests: unknown, &lt;s&gt;, &lt;/s&gt;, the 256 bytes, then what is asked for.</summary>
internal sealed class SentencePieceBytes
{
    /// <summary>The id of the first piece that a test adds.</summary>
    public const int FirstId = 259;

    public const int Normal = 1;
    public const int Unknown = 2;
    public const int Control = 3;
    public const int UserDefined = 4;
    public const int Unused = 5;
    public const int Byte = 6;

    private readonly List<byte> content = [];

    public SentencePieceBytes(bool bytes = true)
    {
        Piece("<unk>", 0, Unknown).Piece("<s>", 0, Control).Piece("</s>", 0, Control);
        for (int value = 0; bytes && value < 256; value++)
            Piece($"<0x{value:X2}>", 0, Byte);
    }

    public SentencePieceBytes Piece(string text, float score, int type = Normal) =>
        Message(1, [.. Text(1, text), 0x15, .. BitConverter.GetBytes(score), .. Varint(3, type)]);

    /// <summary>A model with pieces of falling score: -1, -2 and so on.</summary>
    public SentencePieceBytes Pieces(params string[] texts)
    {
        for (int i = 0; i < texts.Length; i++)
            Piece(texts[i], -1 - i);
        return this;
    }

    public SentencePieceBytes Trainer(int modelType = 2, bool byteFallback = true) =>
        Message(2, [.. Varint(3, modelType), .. Varint(35, byteFallback ? 1 : 0)]);

    public SentencePieceBytes Normalizer(bool dummyPrefix = true, bool collapse = false, string characterMap = "") =>
        Message(3, [.. Text(2, characterMap), .. Varint(3, dummyPrefix ? 1 : 0), .. Varint(4, collapse ? 1 : 0)]);

    public SentencePieceBytes Message(int field, byte[] message)
    {
        content.AddRange([.. Tag(field, 2), .. Number(message.Length), .. message]);
        return this;
    }

    public byte[] ToArray() => content.ToArray();

    public static byte[] Varint(int field, long value) => [.. Tag(field, 0), .. Number(value)];

    public static byte[] Text(int field, string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        return [.. Tag(field, 2), .. Number(utf8.Length), .. utf8];
    }

    private static byte[] Tag(int field, int wireType) => Number(((long)field << 3) | (uint)wireType);

    private static byte[] Number(long value)
    {
        var bytes = new List<byte>();
        for (ulong rest = (ulong)value; ; rest >>= 7)
        {
            if (rest < 0x80) return [.. bytes, (byte)rest];
            bytes.Add((byte)(rest | 0x80));
        }
    }
}
