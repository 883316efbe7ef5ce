using System.Text;
using Llama.Model.Checkpoints;
using Llama.Model.Tokenization;

namespace Llama.Model.Tests.Tokenization;

public class TiktokenFileTests
{
    private static readonly string Bytes = TestTokenizers.SmallTiktoken();

    [Fact]
    public void Read_SmallFile_PutsSpecialTokensBehind()
    {
        ITokenizer tokenizer = Read(TestTokenizers.SmallTiktoken("ab"));
        Assert.Equal(257 + 256, tokenizer.VocabSize);
        Assert.Equal(257, tokenizer.BeginOfText);
        Assert.Equal([256, 'c'], tokenizer.Encode("abc"));
    }

    [Theory]
    [InlineData("YWI= 255", "line 257 has rank 255; expected 256")]
    [InlineData("YWI= 257", "line 257 has rank 257; expected 256")]
    [InlineData("YWI= -1", "line 257 has rank -1; expected 256")]
    [InlineData("YWI= 99999999999", "line 257 is 'YWI= 99999999999'")]
    [InlineData("YWI=256", "line 257 is 'YWI=256'")]
    [InlineData("YWI= 256 x", "line 257 is 'YWI= 256 x'")]
    [InlineData("YW? 256", "line 257: 'YW?' is not base64")]
    [InlineData("YQ== 256", "line 257 has the token 'YQ==' again")]
    [InlineData(" 256", "line 257 is ' 256'")]
    public void Read_BadLine_NamesLine(string line, string message) => AssertRefused(Bytes + line, message);

    [Fact]
    public void Read_LongToken_NamesLine() =>
        AssertRefused(Bytes + Convert.ToBase64String(new byte[257]) + " 256", "line 257: 'AAAA");

    [Fact]
    public void Read_ByteMissing_NamesByte() => AssertRefused("AA== 0\n", "no token for the single byte 0x01");

    [Fact]
    public void Read_PointerToLargeFile_ShowsIt() =>
        AssertRefused("version https://git-lfs.github.com/spec/v1\n", "line 1 is 'version https://git-lfs.github.com/spec/v1'");

    private static ITokenizer Read(string content) => TiktokenFile.Read(Encoding.UTF8.GetBytes(content), "x.model");

    private static void AssertRefused(string content, string message)
    {
        var exception = Assert.Throws<CheckpointException>(() => Read(content));
        Assert.StartsWith("x.model", exception.Message, StringComparison.Ordinal);
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
    }
}
