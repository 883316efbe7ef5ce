using System.Text;
using Llama.Model.Checkpoints;
using Llama.Model.Tokenization;
using Llama.Tests;

namespace Llama.Model.Tests.Tokenization;

public class TokenizerLoaderTests
{
    private static readonly byte[] SentencePiece = new SentencePieceBytes().Pieces("ab").Trainer().ToArray();
    private static readonly byte[] Tiktoken = Encoding.UTF8.GetBytes(TestTokenizers.SmallTiktoken());
    private static readonly byte[] Json = SentencePieceJson.Write(SentencePieceJson.Create(["a", "b", "ab", "\u2581"], ["a b"]));

    [Fact]
    public void Load_NoFile_GivesNull()
    {
        using var folder = new TemporaryFolder();
        Assert.Null(TokenizerLoader.Load(folder.Path));
    }

    [Fact]
    public void Load_ModelFiles_AreToldApartByContent()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["tokenizer.model"], SentencePiece);
        Assert.Equal(260, TokenizerLoader.Load(folder.Path)!.VocabSize);
        File.WriteAllBytes(folder["tokenizer.model"], Tiktoken);
        Assert.Equal(512, TokenizerLoader.Load(folder.Path)!.VocabSize);
    }

    [Fact]
    public void Load_JsonAndModel_PrefersJson()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["tokenizer.model"], SentencePiece);
        Assert.Equal(260, TokenizerLoader.Load(folder.Path)!.VocabSize);
        File.WriteAllBytes(folder["tokenizer.json"], Json);
        Assert.Equal(263, TokenizerLoader.Load(folder.Path)!.VocabSize);
    }

    [Theory]
    [InlineData("tokenizer.model")]
    [InlineData("tokenizer.json")]
    public void Load_EmptyFile_NamesFile(string name)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder[name], []);
        Assert.Equal($"{folder[name]} is empty.", Assert.Throws<CheckpointException>(() => TokenizerLoader.Load(folder.Path)).Message);
    }

    [Theory]
    [InlineData("tokenizer.model", 17 << 20)]
    [InlineData("tokenizer.json", 33 << 20)]
    public void Load_HugeFile_IsRefusedUnread(string name, long length)
    {
        using var folder = new TemporaryFolder();
        using (FileStream stream = File.Create(folder[name]))
            stream.SetLength(length);
        var exception = Assert.Throws<CheckpointException>(() => TokenizerLoader.Load(folder.Path));
        Assert.StartsWith($"{folder[name]} has {length} bytes", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tokenizer.model", 0)]
    [InlineData("tokenizer.model", 1)]
    [InlineData("tokenizer.json", 2)]
    public void Load_MutatedFile_WorksOrThrowsCheckpointException(string name, int kind)
    {
        byte[] original = new[] { SentencePiece, Tiktoken, Json }[kind];
        var random = new Random(17 + kind);
        using var folder = new TemporaryFolder();
        int refused = 0;
        for (int round = 0; round < 600; round++)
        {
            File.WriteAllBytes(folder[name], Mutate(original, random));
            try
            {
                ITokenizer tokenizer = TokenizerLoader.Load(folder.Path)!;
                tokenizer.Decode(tokenizer.Encode("a text <s> 🦙", parseSpecial: true));
            }
            catch (CheckpointException exception)
            {
                Assert.StartsWith(folder[name], exception.Message, StringComparison.Ordinal);
                refused++;
            }
        }
        Assert.InRange(refused, 100, 600);
    }

    private static byte[] Mutate(byte[] original, Random random)
    {
        List<byte> content = [.. original];
        for (int i = random.Next(4); i >= 0; i--)
        {
            int place = random.Next(content.Count);
            switch (random.Next(4))
            {
                case 0:
                    content[place] = (byte)random.Next(256);
                    break;
                case 1:
                    content.RemoveRange(place, random.Next(Math.Min(20, content.Count - place)));
                    break;
                case 2:
                    content.InsertRange(place, content[..random.Next(Math.Min(200, content.Count))]);
                    break;
                default:
                    content.RemoveRange(place, random.Next(8) == 0 ? content.Count - place : 0);
                    break;
            }
            if (content.Count == 0) content.Add(0x0A);
        }
        return [.. content];
    }
}
