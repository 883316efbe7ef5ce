using System.Buffers.Binary;
using System.Text;
using Llama.Grains.Links;

namespace Llama.Grains.Tests.Links;

public sealed class OptionalPartsTests
{
    [Theory]

    // A capital first letter must be understood; a small second one concerns the last stage only.
    [InlineData("none", true, true)]
    [InlineData("nOne", true, true)]
    [InlineData("None", true, false)]
    [InlineData("NOne", false, false)]
    public void Check_UnknownPart_IsRefusedByNameByThoseWhomItConcerns(string tag, bool passesBefore, bool passesLast)
    {
        byte[] parts = [.. Part("tRac", -1, 55), .. Part(tag, 2, 7)];
        foreach ((bool isLast, bool passes) in ((bool, bool)[])[(false, passesBefore), (true, passesLast)])
        {
            LinkException? fault = Record(parts, 3, isLast);
            Assert.Equal(passes, fault is null);
            if (fault is not null) Assert.Contains($"'{tag}'", fault.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(-2)]
    [InlineData(3)]
    [InlineData(int.MinValue)]
    [InlineData(int.MaxValue)]
    public void Check_AboutNoSequence_IsRefused(int subject) =>
        Assert.Contains("'tRac' is about", Record(Part("tRac", subject, 1), 3, true)?.Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(5)]
    [InlineData(-1)]
    [InlineData(int.MaxValue)]
    public void Check_LengthThatIsNotThere_IsRefused(int bytes)
    {
        byte[] part = Part("tRac", -1, 4);
        BinaryPrimitives.WriteInt32LittleEndian(part.AsSpan(8), bytes);
        Assert.Contains($"announces {bytes} bytes", Record(part, 3, true)?.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Check_PartsOutOfTheOrderOfSequences_AreRefused()
    {
        Assert.Null(Record([.. Part("tRac", -1, 1), .. Part("Deny", 0, 4), .. Part("Bias", 0, 8), .. Part("Deny", 2, 4)], 3, true));
        foreach ((int first, int second) in ((int, int)[])[(1, 0), (0, -1), (2, 1)])
        {
            LinkException? fault = Record([.. Part("Deny", first, 4), .. Part("Bias", second, 8)], 3, true);
            Assert.Contains($"'Bias' about sequence {second} is behind one about sequence {first}", fault?.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Check_TagOfNoLetters_IsRefused() => Assert.Contains("0x6D696E31", Record(Part("min1", 0, 0), 1, true)?.Message);

    [Fact]
    public void Check_EveryTruncation_IsRefusedOrEndsWithAPart()
    {
        byte[] parts = [.. Part("tRac", -1, 3), .. Part("tRac", 0, 0), .. Part("abcd", 1, 40)];
        for (int length = 0; length <= parts.Length; length++)
            Assert.Equal(length is 0 or 15 or 27 || length == parts.Length, Record(parts.AsSpan(0, length).ToArray(), 2, true) is null);
    }

    /// <summary>A part with zeros in it.</summary>
    internal static byte[] Part(string tag, int subject, int bytes)
    {
        byte[] part = new byte[OptionalParts.HeaderBytes + bytes];
        Encoding.ASCII.GetBytes(tag, part);
        BinaryPrimitives.WriteInt32LittleEndian(part.AsSpan(4), subject);
        BinaryPrimitives.WriteInt32LittleEndian(part.AsSpan(8), bytes);
        return part;
    }

    private static LinkException? Record(byte[] parts, int subjects, bool isLast) =>
        Xunit.Record.Exception(() => OptionalParts.Check(parts, subjects, isLast)) is { } fault ? Assert.IsType<LinkException>(fault) : null;
}
