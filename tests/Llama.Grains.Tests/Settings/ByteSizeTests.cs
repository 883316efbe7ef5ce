using System.ComponentModel;
using Llama.Grains.Settings;

namespace Llama.Grains.Tests.Settings;

public sealed class ByteSizeTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("1048576", 1048576)]
    [InlineData("7B", 7)]
    [InlineData("1KiB", 1024)]
    [InlineData("2 GiB", 2147483648)]
    [InlineData(" 1.5mib ", 1572864)]
    [InlineData("20GB", 20000000000)]
    [InlineData("3kb", 3000)]
    [InlineData("8388607TiB", 9223370937343148032)]
    public void Parse_SizeWithOrWithoutUnit_ReturnsBytes(string text, long bytes) => Assert.Equal(bytes, ByteSize.Parse(text).Bytes);

    [Theory]
    [InlineData("")]
    [InlineData("GiB")]
    [InlineData("-1")]
    [InlineData("1e3")]
    [InlineData("1,000")]
    [InlineData("5 potatoes")]
    [InlineData("8388608TiB")]
    [InlineData("99999999999999999999999999999999GB")]
    public void Parse_NoSize_Throws(string text) => Assert.Throws<FormatException>(() => ByteSize.Parse(text));

    [Theory]
    [InlineData(1L << 30, "1GiB")]
    [InlineData(3L << 29, "1536MiB")]
    [InlineData(1023, "1023")]
    [InlineData(0, "0")]
    public void ToString_AnySize_ParsesBack(long bytes, string text)
    {
        Assert.Equal(text, new ByteSize(bytes).ToString());
        Assert.Equal(bytes, ByteSize.Parse(text).Bytes);
    }

    [Fact]
    public void Converter_Text_ConvertsForRangeAttributes()
        => Assert.Equal(new ByteSize(2048), TypeDescriptor.GetConverter(typeof(ByteSize)).ConvertFrom("2KiB"));
}
