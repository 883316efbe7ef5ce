using Google.Protobuf.Reflection;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Rpc;
using Llama.V1;

namespace Llama.Gateway.Tests.Api.Rpc;

/// <summary>The messages have the fields that the table has, and no others.</summary>
public sealed class MessageFieldsTests
{
    private static readonly Dictionary<FieldScope, MessageDescriptor> Messages = new()
    {
        [FieldScope.Completion] = GenerateRequest.Descriptor,
        [FieldScope.Chat] = ChatRequest.Descriptor,
        [FieldScope.Tokenize] = TokenizeRequest.Descriptor,
        [FieldScope.Detokenize] = DetokenizeRequest.Descriptor,
        [FieldScope.Embedding] = EmbedRequest.Descriptor,
        [FieldScope.Message] = Message.Descriptor,
    };

    /// <summary>What gRPC does in any case.</summary>
    private static readonly string[] Always = ["stream", "stream_options", "encoding_format"];

    public static TheoryData<int> Scopes => [.. Messages.Keys.Select(scope => (int)scope)];

    [Theory]
    [MemberData(nameof(Scopes))]
    public void Message_Fields_AreTheHonouredOnes(int scopeNumber)
    {
        var scope = (FieldScope)scopeNumber;
        Assert.Equal(
            RequestFields.In(scope).Where(field => field is IHonouredField).Select(field => field.Name).Except(Always).Order(),
            Messages[scope].Fields.InDeclarationOrder().Select(MessageJson.NameOf).Distinct().Order());
    }
}
