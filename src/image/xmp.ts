/** IPTC's term for media made by a trained model alone (https://cv.iptc.org/newscodes/digitalsourcetype/). */
export const DIGITAL_SOURCE_TYPE = 'http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia';

/**
 * An XMP packet (ISO 16684-1) that marks an image as made by a model, with the receipt as a property of our own namespace.
 *
 * @param receipt JSON without `<`, `>` and `&`, as `serializeReceipt` writes it
 */
export function writeXmp(receipt: string): string {
  return [
    '<?xpacket begin="\uFEFF" id="W5M0MpCehiHzreSzNTczkc9d"?>',
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">',
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">',
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:t2i="urn:t2i-sdk:receipt#">',
    `<Iptc4xmpExt:DigitalSourceType>${DIGITAL_SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>`,
    `<t2i:receipt>${receipt}</t2i:receipt>`,
    '</rdf:Description>',
    '</rdf:RDF>',
    '</x:xmpmeta>',
    '<?xpacket end="w"?>',
  ].join('\n');
}

/** The receipts in an XMP packet, as JSON text. Other tools may have written the packet anew, with entities. */
export function receiptsInXmp(xmp: string): string[] {
  const plain = (text: string) =>
    text.replace(/&(quot|apos|#34|#39);/g, (_, name: string) => (name === 'quot' || name === '#34' ? '"' : "'"));
  return [...xmp.matchAll(/<t2i:receipt>([^<]*)<\/t2i:receipt>/g)].map((match) => plain(match[1] ?? ''));
}
