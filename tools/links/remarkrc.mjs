// How `make lint` reads the documents: as GitHub shows them. Each link to a file, and to a heading in one, must lead
// somewhere. Links to the web aren't followed, so that a check of yesterday's commit says today what it said then.
import remarkGfm from "remark-gfm";
import remarkValidateLinks from "remark-validate-links";

export default { plugins: [remarkGfm, [remarkValidateLinks, { repository: false }]] };
